"""StyleGAN 1, 2 and 2-ADA generators with weights trained elsewhere, behind the generator's interface.

Written from the papers (arXiv:1812.04948, 1912.04958, 2006.06676); names and shapes of tensors are those of
the public checkpoints, so that each tensor of a file has exactly one place. Plain torch in fp32.
"""
