"""Models + training pictures -> Revealed: what nobody had named -> a scenario, a record, a page."""
