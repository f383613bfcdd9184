// SPDX-License-Identifier: GPL-3.0-or-later
//
// Flamenco job type (https://flamenco.blender.org): Kinetype motions on your characters, on a farm.
// Copy it into the manager's `scripts` folder. It was written against the documentation of
// Flamenco 3 and was NOT tried against a running manager.
//
// One task makes all motions; then every job of the job file has a task for each chunk of its
// frames. All workers must see the job file, the characters and the output folder under the same
// paths, and `kinetype` (or the command that is given) must be installed on each.

const JOB_TYPE = {
    label: "Kinetype Render",
    description: "Motions from prompts, rendered onto characters in chunks of frames",
    settings: [
        { key: "jobs", type: "string", required: true, subtype: "file_path", visible: "submission",
          description: "Job file of kinetype batch render (JSON, CSV or YAML)" },
        { key: "out", type: "string", required: true, subtype: "dir_path", visible: "submission",
          description: "Folder for motions and pictures, seen by all workers" },
        { key: "names", type: "string", required: true, visible: "submission",
          description: "Names of the jobs in the job file, with commas" },
        { key: "frames", type: "string", required: true, visible: "submission",
          description: "Frame range of the longest job, like 1-120" },
        { key: "chunk_size", type: "int32", default: 20, propargs: { min: 1 }, visible: "submission",
          description: "Frames of a task" },
        { key: "kinetype", type: "string", default: "kinetype", visible: "submission",
          description: "Program that the workers start" },
        { key: "blender", type: "string", default: "", visible: "submission",
          description: "Blender of the workers; empty: what kinetype finds" },
    ],
};

function compileJob(job) {
    const settings = job.settings;
    const names = splitNames(settings.names);
    const ranges = chunks(settings.frames, settings.chunk_size);

    const make = author.Task("make motions", "misc");
    make.addCommand(run(settings.kinetype, [
        "batch", "generate", "--jobs", settings.jobs, "--out", settings.out,
    ]));
    job.addTask(make);

    for (const name of names) {
        for (const range of ranges) {
            const task = author.Task(`${name} ${range}`, "blender");
            task.addCommand(run(settings.kinetype, renderArguments(settings, name, range)));
            task.addDependency(make);
            job.addTask(task);
        }
    }
}

function renderArguments(settings, name, range) {
    const words = [
        "batch", "render", "--jobs", settings.jobs, "--out", settings.out,
        "--made", "--only", name, "--frames", range,
    ];
    return settings.blender ? words.concat(["--blender", settings.blender]) : words;
}

function run(program, words) {
    return author.Command("exec", { exe: program, args: words });
}

function splitNames(text) {
    const names = text.split(",").map((name) => name.trim()).filter((name) => name.length > 0);
    if (names.length === 0) {
        throw new Error("Name at least one job of the job file.");
    }
    return names;
}

// "1-50" in parts of 20: ["1-20", "21-40", "41-50"]
function chunks(frames, size) {
    const match = /^\s*(\d+)\s*-\s*(\d+)\s*$/.exec(frames);
    if (match === null || Number(match[1]) > Number(match[2]) || size < 1) {
        throw new Error(`${frames} in chunks of ${size} is no range of frames; give it like 1-120.`);
    }
    const found = [];
    for (let first = Number(match[1]); first <= Number(match[2]); first += size) {
        found.push(`${first}-${Math.min(first + size - 1, Number(match[2]))}`);
    }
    return found;
}
