"""Contact sheets: pictures that show whether faces and photos are as they should be."""
