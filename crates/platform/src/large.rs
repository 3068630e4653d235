//! Memory on large pages, for who has much of it.
//!
//! With a million guests a packet waits for memory, and for half of that time for where the memory is: a table of 200 MB
//! is 50,000 pages of 4 kB, which no processor remembers, or 100 of 2 MB. So what is taken in one piece of some megabytes
//! begins at such a page's beginning, and the kernel is asked for them. Where it has none, and for everything smaller, all
//! is as without this; a router's tables are never so large.

use std::alloc::{GlobalAlloc, Layout, System};

/// Octets of a large page, on most machines.
const PAGE: usize = 2 << 20;
/// What is smaller would be large pages in part only.
const LEAST: usize = 2 * PAGE;

/// The system's allocator, on large pages where that is worth it: for `#[global_allocator]`.
#[derive(Clone, Copy, Debug)]
pub struct LargePages;

/// What is large is the C library's, all else the system allocator's.
fn is_large(layout: Layout) -> bool {
    layout.size() >= LEAST && layout.align() <= PAGE
}

// SAFETY: memory goes back to whom it is from, because the layout says who that is.
unsafe impl GlobalAlloc for LargePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !is_large(layout) {
            // SAFETY: the caller's layout is not empty.
            return unsafe { System.alloc(layout) };
        }
        let mut memory = std::ptr::null_mut();
        // SAFETY: the pointer is to a live pointer; a page is a power of two and a multiple of a pointer.
        if unsafe { libc::posix_memalign(&raw mut memory, PAGE, layout.size()) } != 0 {
            return std::ptr::null_mut();
        }
        advise(memory, layout.size());
        memory.cast()
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        if is_large(layout) {
            // SAFETY: the caller has it from us by this layout, so we had it from the C library.
            unsafe { libc::free(memory.cast()) }
        } else {
            // SAFETY: the same, from the system allocator, by this layout.
            unsafe { System.dealloc(memory, layout) }
        }
    }

    /// What shall be zero may be meant for later, and costs nothing before: pages come when they are first written.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        const ALIGNED: usize = 2 * size_of::<usize>(); // as all that C's `calloc` gives
        if !is_large(layout) {
            // SAFETY: the caller's layout is not empty.
            return unsafe { System.alloc_zeroed(layout) };
        }
        if layout.align() <= ALIGNED {
            // SAFETY: no pointers.
            return unsafe { libc::calloc(1, layout.size()).cast() };
        }
        // SAFETY: as in `alloc`; what it gave is as much as was asked for.
        unsafe {
            let memory = self.alloc(layout);
            if !memory.is_null() {
                memory.write_bytes(0, layout.size());
            }
            memory
        }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller says that this size is not 0 and fits the alignment.
        let new_layout = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        if !is_large(layout) && !is_large(new_layout) {
            // SAFETY: the caller has it by this layout from the system allocator.
            return unsafe { System.realloc(memory, layout, size) };
        }
        // SAFETY: the two pieces are apart, and both as long as what is copied; the old one is the caller's to give back.
        unsafe {
            let new = self.alloc(new_layout);
            if !new.is_null() {
                std::ptr::copy_nonoverlapping(memory, new, size.min(layout.size()));
                self.dealloc(memory, layout);
            }
            new
        }
    }
}

/// Asks the kernel for large pages. What it answers makes no difference; BSDs take them by themselves.
fn advise(memory: *mut libc::c_void, octets: usize) {
    #[cfg(target_os = "linux")]
    // SAFETY: advice about whole pages of memory that was just taken; it changes none of its contents.
    unsafe {
        libc::madvise(memory, octets / PAGE * PAGE, libc::MADV_HUGEPAGE);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (memory, octets);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_large_begins_at_a_page_and_keeps_its_octets_when_it_grows_or_shrinks() {
        let sizes = [100, LEAST - 1, LEAST, 3 * LEAST + 7, LEAST + 1, 50];
        let layout = |size| Layout::from_size_align(size, 64).expect("a layout");
        // SAFETY: sizes are not 0; each piece is used up to its size, and given back by its layout.
        unsafe {
            let mut memory = LargePages.alloc_zeroed(layout(sizes[0]));
            assert!((0..sizes[0]).all(|at| *memory.add(at) == 0));
            memory.write_bytes(7, sizes[0]);
            for pair in sizes.windows(2) {
                memory = LargePages.realloc(memory, layout(pair[0]), pair[1]);
                assert!(
                    !memory.is_null()
                        && memory.addr().is_multiple_of(if is_large(layout(pair[1])) { PAGE } else { 64 })
                );
                assert!((0..50).all(|at| *memory.add(at) == 7));
                memory.add(pair[1] - 1).write(9);
            }
            LargePages.dealloc(memory, layout(50));
            for align in [1, 64] {
                let layout = Layout::from_size_align(LEAST, align).expect("a layout");
                let zeros = LargePages.alloc_zeroed(layout);
                assert!(!zeros.is_null() && (0..LEAST).all(|at| *zeros.add(at) == 0));
                LargePages.dealloc(zeros, layout);
            }
        }
    }
}
