//! Binding of the model part.
