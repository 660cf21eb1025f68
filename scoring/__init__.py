"""The joint assessment, computed from the ledger."""
