"""SAM: image encoder, prompt encoder and mask decoder, batched over images and prompts, with the reference's names.

The architecture alone, written for export; lite0 shares the prompt encoder and the mask decoder.
"""
