"""SAM's prompt encoder and mask decoder, batched over images and prompts."""
