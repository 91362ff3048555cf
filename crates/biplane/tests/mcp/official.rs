//! With the clients that others have written.
