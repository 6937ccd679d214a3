"""Reading the files of data sets, and naming what is wrong with them."""
