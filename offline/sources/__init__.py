"""Where the items of an offline batch come from: folders, Parquet files and WebDataset archives, in any store."""
