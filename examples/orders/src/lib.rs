//! The gRPC service of the examples, as `tonic-prost-build` generates it from `proto/orders.proto`.

tonic::include_proto!("orders.v1");
