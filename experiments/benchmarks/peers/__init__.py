"""The same work in other libraries, written as their users would write it."""
