"""What people said of pairs: annotation tools, their task files and their exports."""
