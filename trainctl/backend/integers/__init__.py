"""What :mod:`trainctl.backend.integer_products` is made of."""
