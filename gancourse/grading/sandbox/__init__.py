"""Running untrusted notebooks: isolated, with limits; observations come out as plain data."""
