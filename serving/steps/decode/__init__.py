"""The steps before a network: what strangers send is decoded in processes that may be killed."""
