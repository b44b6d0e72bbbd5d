//! Bytes for another thread: taken over if the caller gave their owner, copied otherwise.

use std::any::TypeId;
use std::marker::PhantomData;
use std::mem::{self, ManuallyDrop};

use bytes::Bytes;

/// Bytes with an owner.
pub(crate) enum Owned {
    Vec(Vec<u8>),
    String(String),
    Boxed(Box<[u8]>),
    Bytes(Bytes),
}

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        match self {
            Owned::Vec(bytes) => bytes,
            Owned::String(bytes) => bytes.as_bytes(),
            Owned::Boxed(bytes) => bytes,
            Owned::Bytes(bytes) => bytes,
        }
    }
}

/// Takes over the bytes of `value` if its type is one that owns them; copies them otherwise.
pub(crate) fn take<T: AsRef<[u8]>>(value: T) -> Owned {
    let owned = Err(value)
        .or_else(|value| cast(value).map(Owned::Vec))
        .or_else(|value| cast(value).map(Owned::String))
        .or_else(|value| cast(value).map(Owned::Boxed))
        .or_else(|value| cast(value).map(Owned::Bytes));
    owned.unwrap_or_else(|value| Owned::Vec(value.as_ref().to_vec()))
}

/// `value`, if its type is `U`.
fn cast<T, U: 'static>(value: T) -> Result<U, T> {
    if type_id_without_lifetimes::<T>() != TypeId::of::<U>() {
        return Err(value);
    }
    let value = ManuallyDrop::new(value);
    // SAFETY: `T` and `U` have the same id, so they are the same type up to lifetimes; as `U` is
    // 'static and only types without a lifetime parameter are asked for above, they are the same.
    // The original is not dropped.
    Ok(unsafe { mem::transmute_copy::<ManuallyDrop<T>, U>(&value) })
}

/// As `TypeId::of`, which asks for 'static only because types that differ in lifetimes share one
/// id.
fn type_id_without_lifetimes<T>() -> TypeId {
    trait HasId {
        fn id(&self) -> TypeId
        where
            Self: 'static;
    }

    impl<T> HasId for PhantomData<T> {
        fn id(&self) -> TypeId
        where
            Self: 'static,
        {
            TypeId::of::<T>()
        }
    }

    let marker = PhantomData::<T>;
    let marker: &dyn HasId = &marker;
    // SAFETY: only the lifetime bound of the trait object changes, and the method does not touch
    // the value, which is empty.
    let marker = unsafe { mem::transmute::<&dyn HasId, &(dyn HasId + 'static)>(marker) };
    marker.id()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_taken_over_and_others_copied() {
        let vec = vec![1, 2, 3];
        let address = vec.as_ptr();
        assert_eq!(take(vec).as_ref().as_ptr(), address);
        let string = "abc".to_owned();
        let address = string.as_ptr();
        assert_eq!(take(string).as_ref().as_ptr(), address);
        let bytes = Bytes::from(vec![1; 100]);
        let address = bytes.as_ptr();
        assert_eq!(take(bytes).as_ref().as_ptr(), address);
        let boxed = vec![1; 10].into_boxed_slice();
        let address = boxed.as_ptr();
        assert_eq!(take(boxed).as_ref().as_ptr(), address);
        let local = [4, 5];
        assert_eq!(take(&local[1..]).as_ref(), [5]);
        assert_eq!(take("str").as_ref(), b"str");
    }
}
