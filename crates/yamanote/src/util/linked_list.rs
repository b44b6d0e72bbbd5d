//! A doubly linked list through nodes that belong to others, without an allocation.
//!
//! Its contract: from [`List::push_back`] until it is removed a node stays alive and where it is,
//! and it is given to no list but this one and others behind the same lock.
//!
//! So whoever has the lock, which is what `&mut List` stands for, may follow every link, and nobody
//! else touches one.

use std::marker::PhantomPinned;
use std::ptr::NonNull;

use crate::loom::cell::UnsafeCell;

/// What can stand in a [`List`].
///
/// # Safety
///
/// - [`links`](Node::links) returns the same field of the node each time.
pub(crate) unsafe trait Node: Sized {
    fn links(&self) -> &Links<Self>;
}

/// The field of a node that has its neighbours.
pub(crate) struct Links<N> {
    neighbours: UnsafeCell<Neighbours<N>>,
    /// Neighbours hold the node's address.
    _pinned: PhantomPinned,
}

struct Neighbours<N> {
    previous: Option<NonNull<N>>,
    next: Option<NonNull<N>>,
}

impl<N> Neighbours<N> {
    fn none() -> Self {
        Neighbours {
            previous: None,
            next: None,
        }
    }
}

impl<N> Links<N> {
    pub(crate) fn new() -> Self {
        Links {
            neighbours: UnsafeCell::new(Neighbours::none()),
            _pinned: PhantomPinned,
        }
    }
}

/// To loom the end of the memory is no access; this makes it one.
#[cfg(all(test, loom))]
impl<N> Drop for Links<N> {
    fn drop(&mut self) {
        self.neighbours.with_mut(|_| ());
    }
}

/// Oldest first.
pub(crate) struct List<N> {
    first: Option<NonNull<N>>,
    last: Option<NonNull<N>>,
}

// SAFETY: the pointers are followed by whoever has the list, and show another thread no more of a
// node than `&N` does.
unsafe impl<N: Sync> Send for List<N> {}

impl<N> List<N> {
    pub(crate) const fn new() -> Self {
        List {
            first: None,
            last: None,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(crate) fn first(&self) -> Option<NonNull<N>> {
        self.first
    }

    pub(crate) fn last(&self) -> Option<NonNull<N>> {
        self.last
    }
}

impl<N: Node> List<N> {
    /// # Safety
    ///
    /// - The contract above is kept for `node`, which is in no list now.
    pub(crate) unsafe fn push_back(&mut self, node: NonNull<N>) {
        // SAFETY: the node is alive, and in this list from now on.
        unsafe {
            node.as_ref().links().neighbours.with_mut(|of_node| {
                debug_assert!((*of_node).previous.is_none() && (*of_node).next.is_none());
                (*of_node).previous = self.last;
            });
            self.set_next(self.last, Some(node));
        }
        self.last = Some(node);
    }

    /// Takes `node` out; `false` if it was in no list.
    ///
    /// # Safety
    ///
    /// - `node` is in this list; or it is in none, is alive, and is given to lists behind this
    ///   one's lock only.
    pub(crate) unsafe fn remove(&mut self, node: NonNull<N>) -> bool {
        // SAFETY: the node is alive, and nobody else touches its links.
        let Neighbours { previous, next } = unsafe {
            node.as_ref()
                .links()
                .neighbours
                .with_mut(|neighbours| std::mem::replace(&mut *neighbours, Neighbours::none()))
        };
        // Without a neighbour before it, it is the first or in no list.
        if previous.is_none() && self.first != Some(node) {
            return false;
        }
        // SAFETY: the neighbours are in this list.
        unsafe {
            self.set_next(previous, next);
            self.set_previous(next, previous);
        }
        true
    }

    /// Calls `f` with each node from the first on, while it says so. The node is alive meanwhile.
    ///
    /// # Safety
    ///
    /// - `f` does nothing with this list.
    pub(crate) unsafe fn visit(&self, mut f: impl FnMut(NonNull<N>) -> bool) {
        let mut next = self.first;
        while let Some(node) = next {
            if !f(node) {
                return;
            }
            // SAFETY: in a list it is alive, and with `&self` nobody changes its links.
            next = unsafe {
                let links = node.as_ref().links();
                links.neighbours.with(|of_node| (*of_node).next)
            };
        }
    }

    /// Moves all of `other` to the end of this list.
    ///
    /// # Safety
    ///
    /// - `other` is behind the same lock.
    pub(crate) unsafe fn append(&mut self, other: &mut List<N>) {
        if let Some(first) = other.first.take() {
            // SAFETY: both nodes are in one of the two lists.
            unsafe {
                self.set_previous(Some(first), self.last);
                self.set_next(self.last, Some(first));
            }
            self.last = other.last.take();
        }
    }

    /// Sets what comes after `node`, or first, if that is `None`.
    ///
    /// # Safety
    ///
    /// - `node` is in this list, or is just being linked into it.
    unsafe fn set_next(&mut self, node: Option<NonNull<N>>, next: Option<NonNull<N>>) {
        match node {
            // SAFETY: in a list it is alive, and with `&mut self` nobody else touches its links.
            Some(node) => unsafe {
                let links = node.as_ref().links();
                links.neighbours.with_mut(|of_node| (*of_node).next = next);
            },
            None => self.first = next,
        }
    }

    /// Sets what comes before `node`, or last, if that is `None`.
    ///
    /// # Safety
    ///
    /// - As [`set_next`](Self::set_next).
    unsafe fn set_previous(&mut self, node: Option<NonNull<N>>, previous: Option<NonNull<N>>) {
        match node {
            // SAFETY: as in `set_next`.
            Some(node) => unsafe {
                let links = node.as_ref().links();
                links
                    .neighbours
                    .with_mut(|of_node| (*of_node).previous = previous);
            },
            None => self.last = previous,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    struct Number {
        links: Links<Number>,
    }

    // SAFETY: a field.
    unsafe impl Node for Number {
        fn links(&self) -> &Links<Number> {
            &self.links
        }
    }

    const NODES: usize = 8;

    /// Which node at which of two lists.
    #[derive(Debug, Clone)]
    enum Step {
        Push(usize, usize),
        Remove(usize),
        Append(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0..2usize, 0..NODES).prop_map(|(list, node)| Step::Push(list, node)),
            4 => (0..NODES).prop_map(Step::Remove),
            1 => (0..2usize).prop_map(Step::Append),
        ];
        proptest::collection::vec(step, 0..60)
    }

    // Two lists, and queues of the numbers of their nodes.
    proptest! {
        #[test]
        fn it_is_a_list(steps in steps()) {
            let nodes: Vec<Number> = (0..NODES).map(|_| Number { links: Links::new() }).collect();
            let mut lists = [List::new(), List::new()];
            let mut models = [VecDeque::new(), VecDeque::new()];
            for step in steps {
                // SAFETY: the nodes stay where they are, and the lists are had together.
                unsafe {
                    match step {
                        Step::Push(list, node) => {
                            if !models.iter().any(|model| model.contains(&node)) {
                                lists[list].push_back(NonNull::from(&nodes[node]));
                                models[list].push_back(node);
                            }
                        }
                        Step::Remove(node) => {
                            let at = models.iter().position(|model| model.contains(&node));
                            let found = lists[at.unwrap_or(0)].remove(NonNull::from(&nodes[node]));
                            prop_assert_eq!(found, at.is_some());
                            models.iter_mut().for_each(|model| model.retain(|&n| n != node));
                        }
                        Step::Append(to) => {
                            let [first, second] = &mut lists;
                            let (to_list, from_list) = match to {
                                0 => (first, second),
                                _ => (second, first),
                            };
                            to_list.append(from_list);
                            let mut moved = std::mem::take(&mut models[1 - to]);
                            models[to].append(&mut moved);
                        }
                    }
                }
                for (list, model) in lists.iter().zip(&models) {
                    let mut visited = Vec::new();
                    // SAFETY: the list is only read.
                    unsafe {
                        list.visit(|number| {
                            let is_it = |node| NonNull::from(node) == number;
                            visited.push(nodes.iter().position(is_it));
                            visited.len() < 5
                        });
                    }
                    let expected: Vec<_> = model.iter().take(5).copied().map(Some).collect();
                    prop_assert_eq!(visited, expected);
                    let node = |&n: &usize| NonNull::from(&nodes[n]);
                    prop_assert_eq!(list.first(), model.front().map(node));
                    prop_assert_eq!(list.last(), model.back().map(node));
                    prop_assert_eq!(list.is_empty(), model.is_empty());
                }
            }
        }
    }
}
