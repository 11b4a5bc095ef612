"""Network + queries + training images -> scores (q, m); one file per method."""
