"""What a person looks at: reports, plots and exports."""
