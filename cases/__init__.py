"""Cases: intake, dispatch, handling, check; the ledger they are written in."""
