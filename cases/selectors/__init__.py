"""Read models, one per screen."""
