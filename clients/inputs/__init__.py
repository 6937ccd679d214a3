"""What users have becomes what travels: images, depth in any form, recordings, tensors."""
