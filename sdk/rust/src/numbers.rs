//! Numbers at any place of a slice.

macro_rules! numbers {
    ($($le:ident $be:ident $t:ty),*) => {$(
        /// Reads a little-endian number at an index; it panics where the slice ends before.
        #[inline(always)]
        pub fn $le(b: &[u8], at: usize) -> $t {
            const N: usize = core::mem::size_of::<$t>();
            let mut v = [0; N];
            v.copy_from_slice(&b[at..at + N]);
            <$t>::from_le_bytes(v)
        }

        /// Reads a big-endian number at an index; it panics where the slice ends before.
        #[inline(always)]
        pub fn $be(b: &[u8], at: usize) -> $t {
            const N: usize = core::mem::size_of::<$t>();
            let mut v = [0; N];
            v.copy_from_slice(&b[at..at + N]);
            <$t>::from_be_bytes(v)
        }
    )*};
}

numbers!(
    le_u16 be_u16 u16, le_u32 be_u32 u32, le_u64 be_u64 u64, le_i16 be_i16 i16, le_i32 be_i32 i32, le_i64 be_i64 i64,
    le_f32 be_f32 f32, le_f64 be_f64 f64
);
