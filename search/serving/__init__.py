"""The live page: a local web server that shows studies and steers them."""
