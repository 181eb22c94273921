//! A worker's slots for connections. Whenever the last slot is taken, the connection that has been idle for longest
//! is asked to close, because a server without a free slot would accept nobody. A connection stays on one thread, so
//! this needs no lock.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::task::{Context, Waker};

/// The places of one worker.
#[derive(Debug)]
pub struct Places {
    /// Connections that there may be.
    all: usize,
    /// Those that hold a place; those that were asked to leave count no more.
    taken: Cell<usize>,
    /// When connections fell idle, in that order. What is here of those that were used since, or are gone, is
    /// passed over, and cleared out now and then.
    idle: RefCell<VecDeque<Idle>>,
    turn: Cell<u64>,
}

#[derive(Debug)]
struct Idle {
    who: Weak<Place>,
    since: u64,
}

impl Idle {
    /// The connection, if it has been idle all the time.
    fn still(&self) -> Option<Rc<Place>> {
        self.who.upgrade().filter(|place| place.idle_since.get() == self.since)
    }
}

/// The place of one connection, given back on drop.
#[derive(Debug)]
pub struct Place {
    places: Rc<Places>,
    /// The turn at which it fell idle; 0: it is not.
    idle_since: Cell<u64>,
    must_leave: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

thread_local! {
    static OF_THIS_WORKER: RefCell<Weak<Places>> = const { RefCell::new(Weak::new()) };
}

impl Places {
    /// The places of the worker that this thread is, which are `all`: the same ones for each of its listeners.
    pub fn of_this_worker(all: usize) -> Rc<Places> {
        OF_THIS_WORKER.with_borrow_mut(|known| {
            known.upgrade().unwrap_or_else(|| {
                let places = Places::new(all);
                *known = Rc::downgrade(&places);
                places
            })
        })
    }

    fn new(all: usize) -> Rc<Places> {
        Rc::new(Places { all, taken: Cell::new(0), idle: RefCell::default(), turn: Cell::new(0) })
    }

    /// A place for a connection that came.
    pub fn take(self: &Rc<Self>) -> Rc<Place> {
        self.taken.set(self.taken.get() + 1);
        self.make_room();
        Rc::new(Place {
            places: Rc::clone(self),
            idle_since: Cell::new(0),
            must_leave: Cell::new(false),
            waker: RefCell::default(),
        })
    }

    /// Has the longest idle connections leave until a place is free, or none of them is idle.
    fn make_room(&self) {
        while self.taken.get() >= self.all {
            let Some(longest) = self.longest_idle() else { return };
            self.taken.set(self.taken.get() - 1);
            longest.idle_since.set(0);
            longest.must_leave.set(true);
            if let Some(waker) = longest.waker.take() {
                waker.wake();
            }
        }
    }

    fn longest_idle(&self) -> Option<Rc<Place>> {
        let mut idle = self.idle.borrow_mut();
        std::iter::from_fn(|| idle.pop_front()).find_map(|one| one.still())
    }

    /// The turn of a connection that falls idle now.
    fn queue(&self, who: &Rc<Place>) -> u64 {
        let mut idle = self.idle.borrow_mut();
        // At most one entry a connection is of use. To clear out only when there are twice as many costs a connection
        // that falls idle two looks at others, however many there are.
        if idle.len() >= 2 * self.taken.get() + 64 {
            idle.retain(|one| one.still().is_some());
        }
        let since = self.turn.get() + 1;
        self.turn.set(since);
        idle.push_back(Idle { who: Rc::downgrade(who), since });
        since
    }
}

impl Place {
    /// Nothing of a request is under way on this connection.
    pub fn idle(self: &Rc<Self>) {
        self.idle_since.set(self.places.queue(self));
        self.places.make_room();
    }

    /// Something of a request has come: it stays, even if it was about to leave.
    pub fn busy(&self) {
        self.idle_since.set(0);
        if self.must_leave.replace(false) {
            self.places.taken.set(self.places.taken.get() + 1);
            self.places.make_room();
        }
    }

    /// Whether this connection would have to leave as soon as it is idle, for none has been so for longer.
    pub fn is_last(&self) -> bool {
        self.places.make_room();
        self.places.taken.get() >= self.places.all
    }

    /// Whether it is to leave: somebody else needs the place. If not, the task of `context` is woken once it is.
    pub fn must_leave(&self, context: &Context<'_>) -> bool {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            *waker = Some(context.waker().clone());
        }
        self.must_leave.get()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.must_leave.get() {
            self.places.taken.set(self.places.taken.get() - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(place: &Rc<Place>) -> bool {
        place.must_leave(&Context::from_waker(Waker::noop()))
    }

    #[test]
    fn when_the_last_place_is_taken_the_longest_idle_connection_leaves_and_no_busy_one() {
        let places = Places::new(4);
        let [first, second, third] = [(); 3].map(|()| places.take());
        [&second, &first, &third].into_iter().for_each(Place::idle);
        // Used once more, and once more idle.
        second.busy();
        second.idle();
        third.busy();
        let fourth = places.take();
        assert_eq!([&first, &second, &third, &fourth].map(leaves), [true, false, false, false]);
        let fifth = places.take();
        assert_eq!([&second, &third, &fourth, &fifth].map(leaves), [true, false, false, false]);
        // None is idle. The first that falls idle leaves, and knows so before.
        let sixth = places.take();
        assert!(third.is_last());
        assert!(![&third, &fourth, &fifth, &sixth].into_iter().any(leaves));
        third.idle();
        assert!(leaves(&third) && !fourth.is_last());
    }

    #[test]
    fn a_connection_that_is_used_while_it_is_to_leave_stays_and_another_leaves() {
        let places = Places::new(3);
        let [first, second] = [(); 2].map(|()| places.take());
        [&first, &second].into_iter().for_each(Place::idle);
        let third = places.take();
        assert_eq!([&first, &second, &third].map(leaves), [true, false, false]);
        first.busy();
        assert_eq!([&first, &second, &third].map(leaves), [false, true, false]);
    }

    #[test]
    fn a_place_is_given_back_once_whether_its_connection_was_to_leave_or_left_by_itself() {
        let places = Places::new(2);
        for _ in 0..10 {
            let (first, second) = (places.take(), places.take());
            first.idle();
            assert!(leaves(&first));
            assert_eq!(places.taken.get(), 1);
            drop((first, second));
            assert_eq!(places.taken.get(), 0);
        }
    }

    #[test]
    fn what_is_remembered_of_idle_connections_does_not_grow_with_their_requests() {
        let places = Places::new(1_000);
        let open: Vec<_> = (0..100).map(|_| places.take()).collect();
        for _ in 0..100 {
            for place in &open {
                place.busy();
                place.idle();
            }
        }
        assert!(places.idle.borrow().len() <= 2 * open.len() + 64);
        drop(open);
        assert!(places.longest_idle().is_none());
    }
}
