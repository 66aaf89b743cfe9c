"""What every report shares: intervals, tables, plots, pages, and the machine it was made on."""
