"""verdict.json + a checkpoint -> may it be promoted?"""
