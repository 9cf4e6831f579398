"""What every room uses: configs, errors, files, tables, progress, processes, devices."""
