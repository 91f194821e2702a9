"""From files, folders and the hub to pairs."""
