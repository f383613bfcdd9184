"""The small golden MoMask model, its shape read from its tensors."""

from __future__ import annotations

from functools import cache

from backend.models.mogents.layout import Layout
from backend.models.mogents.sampling import mask_logits
from backend.models.momask.config import (
    LengthConfig,
    MaskConfig,
    MoMaskConfig,
    ResidualConfig,
    RVQConfig,
)
from backend.models.momask.networks import Networks
from tests.released import below, golden

GOLDEN = "momask/momask_tiny_golden.npz"


def golden_momask():
    return golden(GOLDEN)


def layers(weights, prefix="seqTransEncoder.layers."):
    return len({k.removeprefix(prefix).split(".")[0] for k in weights if k.startswith(prefix)})


def config(share_weight: bool = True, heads: int | None = None) -> MoMaskConfig:
    heads = heads or head_count()
    z = golden(GOLDEN)
    vq, mask = below(z, "vq"), below(z, "mask")
    codes, code_dim = vq["quantizer.layers.0.codebook"].shape
    width = vq["encoder.model.0.weight"].shape
    depth = len({k.split(".")[5] for k in vq if k.startswith("encoder.model.2.1.model.")})
    down = sum(
        1 for k in vq if k.startswith("encoder.model.") and k.endswith(".1.model.0.conv1.weight")
    )
    shape = {
        "latent_dim": mask["cond_emb.weight"].shape[0],
        "ff_size": mask["seqTransEncoder.layers.0.linear1.weight"].shape[0],
        "n_layers": layers(mask),
        "n_heads": heads,
        "clip_dim": mask["cond_emb.weight"].shape[1],
    }
    return MoMaskConfig(
        RVQConfig(
            dataset_name={263: "t2m", 251: "kit"}[width[1]],
            code_dim=code_dim,
            nb_code=codes,
            width=width[0],
            depth=depth,
            down_t=down,
            num_quantizers=len({k for k in vq if k.startswith("quantizer.")}),
        ),
        MaskConfig(**shape),
        ResidualConfig(**shape, share_weight=share_weight),
        LengthConfig(shape["clip_dim"], below(z, "len")["output.11.weight"].shape[0]),
    )


@cache
def head_count() -> int:
    """Of the golden transformers: in no tensor, so the one whose logits are the golden ones."""
    z = golden(GOLDEN)
    width = z["mask.cond_emb.weight"].shape[0]

    def error(heads: int) -> float:
        net = build(heads=heads).mask
        layout = Layout(z["m_lens"].tolist())
        logits = mask_logits(net, z["mask.in_ids"], z["text"], layout, guidance_scale=4.0)
        return float((logits[0] - z["mask.logits_s4"].transpose(1, 2)[0]).abs().mean())

    return min((n for n in range(1, width + 1) if width % n == 0), key=error)


def build(share_weight: bool = True, heads: int | None = None) -> Networks:
    """The networks with the golden weights; the position tables, which it lacks, are computed."""
    z = golden(GOLDEN)
    networks = Networks.build(config(share_weight, heads))
    files = {"vq": "vq", "mask": "mask", "length_est": "len"}
    files["res"] = "res_sw" if share_weight else "res_nosw"
    for name, module in networks.parts():
        known = module.state_dict()
        weights = {k: v for k, v in below(z, files[name]).items() if k in known}
        missing, _ = module.load_state_dict(weights, strict=False)
        assert set(missing) <= {"position_enc.pe"}
    return networks
