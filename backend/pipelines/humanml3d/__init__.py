"""What all models of HumanML3D features share: statistics, lengths, the way to motion_135."""
