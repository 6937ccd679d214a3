"""Images of what a training did: scaling factors, exchange, feature maps, decisions, and one page that shows them."""
