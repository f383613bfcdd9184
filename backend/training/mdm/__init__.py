"""Training of MDM on HumanML3D or on actions of SMPL rotations."""
