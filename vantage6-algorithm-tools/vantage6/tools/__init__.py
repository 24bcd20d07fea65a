"""What runs inside an algorithm container: wrappers, dispatch, readers and the mock client."""
