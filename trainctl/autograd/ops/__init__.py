"""The ops, by family; each is one class (forward directly above backward) and its public function."""
