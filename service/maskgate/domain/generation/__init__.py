"""Everything in an image: the reference's automatic mask generator, as values and arithmetic.

The reference is segment_anything/automatic_mask_generator.py with utils/amg.py. What is done in another way than there,
as most candidates never become masks, comes to the same masks; each module says how.
"""
