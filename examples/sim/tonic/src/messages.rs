//! What is said.
#![forbid(unsafe_code)]

#[derive(Clone, PartialEq, prost::Message)]
pub struct Work {
    #[prost(uint64, tag = "1")]
    pub ms: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Done {
    #[prost(uint64, tag = "1")]
    pub ms: u64,
}

/// The number of the first train that is wanted.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Since {
    #[prost(uint64, tag = "1")]
    pub number: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Train {
    #[prost(uint64, tag = "1")]
    pub number: u64,
    /// How many are on it.
    #[prost(bytes = "vec", tag = "2")]
    pub load: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Ticket {
    #[prost(uint64, tag = "1")]
    pub number: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Stamp {
    #[prost(uint64, tag = "1")]
    pub number: u64,
    /// Of all tickets so far.
    #[prost(uint64, tag = "2")]
    pub sum: u64,
}
