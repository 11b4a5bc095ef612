"""Where a store's entries lie: a folder of this machine, or object storage that machines share."""
