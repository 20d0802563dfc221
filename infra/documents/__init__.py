"""Pages made from the program: the drawing of the deployment, the matrix of connections. A test keeps them current."""
