//! Memory: sizes are powers of two, and what is given back is kept for the same size.

/// Gives n bytes of at least 16 bytes' alignment, not cleared; null where there is no memory.
pub(crate) fn get(n: usize) -> *mut u8 {
    if n == 0 || n > MOST {
        return core::ptr::null_mut();
    }
    sys::get(n)
}

/// Takes memory of get back; n is its size.
pub(crate) fn give(p: *mut u8, n: usize) {
    if !p.is_null() {
        sys::give(p, n)
    }
}

/// Gives a copy of memory with more room, null where there is none, and then the old one stays. The new part is zero.
pub(crate) fn enlarge(p: *mut u8, had: usize, used: usize, n: usize) -> *mut u8 {
    let to = get(n);
    if to.is_null() {
        return to;
    }
    // Both are whole allocations, used ≤ had and used ≤ n.
    unsafe {
        if used > 0 {
            core::ptr::copy_nonoverlapping(p, to, used);
        }
        core::ptr::write_bytes(to.add(used), 0, n - used);
    }
    give(p, had);
    to
}

/// The most of anything.
pub(crate) const MOST: usize = 1 << 30;

#[cfg(target_arch = "wasm32")]
mod sys {
    use core::arch::wasm32::memory_grow;

    struct Heap {
        spare: [*mut u8; 32], // by size; each begins with the next one
        at: usize,
        end: usize,
    }

    static mut HEAP: Heap = Heap { spare: [core::ptr::null_mut(); 32], at: 0, end: 0 };

    /// Gives the heap: a guest has one thread, and nothing in here calls back.
    fn heap() -> &'static mut Heap {
        unsafe { &mut *core::ptr::addr_of_mut!(HEAP) }
    }

    fn class(n: usize) -> usize {
        (n.max(16).next_power_of_two().trailing_zeros() as usize).min(31)
    }

    pub(crate) fn get(n: usize) -> *mut u8 {
        let (h, k) = (heap(), class(n));
        if !h.spare[k].is_null() {
            let p = h.spare[k];
            h.spare[k] = unsafe { *(p as *mut *mut u8) };
            return p;
        }
        let size = 1usize << k;
        if h.end.wrapping_sub(h.at) < size {
            let pages = (size + 0xffff) >> 16;
            let old = memory_grow(0, pages);
            if old == usize::MAX {
                return core::ptr::null_mut();
            }
            let from = old << 16;
            if from != h.end {
                h.at = from; // another has grown it meanwhile
            }
            h.end = from.wrapping_add(pages << 16);
        }
        let p = h.at as *mut u8;
        h.at += size;
        p
    }

    pub(crate) fn give(p: *mut u8, n: usize) {
        let (h, k) = (heap(), class(n));
        unsafe { *(p as *mut *mut u8) = h.spare[k] };
        h.spare[k] = p;
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod sys {
    use std::alloc::{alloc, dealloc, Layout};

    fn layout(n: usize) -> Layout {
        Layout::from_size_align(n, 16).expect("a size below 1 GiB")
    }

    pub(crate) fn get(n: usize) -> *mut u8 {
        unsafe { alloc(layout(n)) }
    }

    pub(crate) fn give(p: *mut u8, n: usize) {
        unsafe { dealloc(p, layout(n)) }
    }
}

/// The allocator of a guest without `std` that uses the crate `alloc`:
/// `#[global_allocator] static ALLOCATOR: wayside::Allocator = wayside::Allocator;`
#[cfg(feature = "alloc")]
pub struct Allocator;

#[cfg(feature = "alloc")]
unsafe impl core::alloc::GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: core::alloc::Layout) -> *mut u8 {
        // Blocks lie at multiples of 16 only; what wants more takes a block in which such a place lies for certain.
        if layout.align() <= 16 {
            return get(layout.size());
        }
        let p = get(layout.size() + layout.align());
        if p.is_null() {
            return p;
        }
        p.add(p.align_offset(layout.align()))
    }

    unsafe fn dealloc(&self, p: *mut u8, layout: core::alloc::Layout) {
        if layout.align() <= 16 {
            give(p, layout.size()); // of larger alignments the block's begin is not known: rare, and left
        }
    }
}
