//! Scalar helpers for kernels that are generic over f32 and f64.
//!
//! Sums run over a fixed number of lanes, so that the compiler can use vector registers and the
//! order of additions does not depend on the batch, the thread count or the machine's width.

use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub};

use wide::{CmpGt, CmpLt, f32x8, i32x8};

/// Lanes of a vectorised sum.
pub const LANES: usize = 8;

/// f32 or f64.
pub trait Real:
    Copy
    + Send
    + Sync
    + Default
    + PartialOrd
    + Add<Output = Self>
    + AddAssign
    + MulAssign
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + 'static
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// Below every number.
    const NEG_INFINITY: Self;
    /// Nearest value of this type.
    fn of(v: f64) -> Self;
    /// `e^self`.
    fn exp(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// `e^x` of so many at once, the same bits as one by one.
    fn exp_lanes(x: [Self; LANES]) -> [Self; LANES];
    /// `self * a + b`, in one rounding where the target has such an instruction.
    fn fma(self, a: Self, b: Self) -> Self;
}

/// `e^x` by range reduction to `±ln(2)/2` and a degree-6 polynomial; relative error below 3e-7.
/// Unlike the C library's it is inlined into vector loops and gives the same bits everywhere.
/// Coefficients: Cephes `expf`, <https://www.netlib.org/cephes/>.
#[inline(always)]
pub fn exp_f32(x: f32) -> f32 {
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    /// Adding this rounds to a whole number in the low mantissa bits.
    const ROUND: f32 = 12_582_912.0;
    // Below, the result would be subnormal and is taken as 0; above it overflows to infinity.
    let clamped = x.clamp(-87.3, 88.7);
    let shifted = clamped.fma(LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.fma(-LN2_HIGH, clamped);
    let r = n.fma(-LN2_LOW, r);
    let mut p = 1.987_569_1e-4f32;
    p = p.fma(r, 1.398_199_9e-3);
    p = p.fma(r, 8.333_452e-3);
    p = p.fma(r, 4.166_579_6e-2);
    p = p.fma(r, 1.666_666_5e-1);
    p = p.fma(r, 5e-1);
    let poly = p.fma(r * r, r + 1.0);
    // 2^n for n in -126..=128, in two steps so that 128 does not leave the exponent's range.
    let whole = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let half = whole >> 1;
    let rest = whole.wrapping_sub(half);
    let scale = |e: i32| f32::from_bits((e.wrapping_add(127) as u32) << 23);
    let result = poly * scale(half) * scale(rest);
    if x < -87.3 {
        0.0
    } else if x > 88.7 {
        f32::INFINITY
    } else if x.is_nan() {
        x
    } else {
        result
    }
}

/// [`exp_f32`] of eight at once, the same bits: left to itself the compiler computes them one by one.
#[inline(always)]
pub fn exp_f32x8(x: f32x8) -> f32x8 {
    const ROUND: f32 = 12_582_912.0;
    let (low, high) = (f32x8::splat(-87.3), f32x8::splat(88.7));
    // What is not a number stays one: it is neither below nor above, and goes through all of it.
    let clamped = x.cmp_lt(low).blend(low, x.cmp_gt(high).blend(high, x));
    let shifted = clamped.mul_add(f32x8::splat(std::f32::consts::LOG2_E), f32x8::splat(ROUND));
    let n = shifted - f32x8::splat(ROUND);
    let r = n.mul_add(f32x8::splat(-0.693_359_4), clamped);
    let r = n.mul_add(f32x8::splat(2.121_944_4e-4), r);
    let mut p = f32x8::splat(1.987_569_1e-4);
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5e-1] {
        p = p.mul_add(r, f32x8::splat(coefficient));
    }
    let poly = p.mul_add(r * r, r + f32x8::splat(1.0));
    // `n` as a whole number stands in the low bits of the mantissa.
    let whole: i32x8 = bytemuck::cast(shifted);
    let whole = whole - i32x8::splat(ROUND.to_bits() as i32);
    let half = whole >> 1;
    let scale = |e: i32x8| -> f32x8 { bytemuck::cast((e + i32x8::splat(127)) << 23) };
    let result = poly * scale(half) * scale(whole - half);
    let result = x.cmp_gt(high).blend(f32x8::splat(f32::INFINITY), result);
    x.cmp_lt(low).blend(f32x8::splat(0.0), result)
}

macro_rules! real {
    ($t:ty, $exp:expr, $exp_lanes:expr) => {
        impl Real for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const NEG_INFINITY: Self = <$t>::NEG_INFINITY;
            #[inline(always)]
            fn of(v: f64) -> Self {
                v as $t
            }
            #[inline(always)]
            fn exp(self) -> Self {
                $exp(self)
            }
            #[inline(always)]
            fn exp_lanes(x: [Self; LANES]) -> [Self; LANES] {
                $exp_lanes(x)
            }
            #[inline(always)]
            fn ln(self) -> Self {
                <$t>::ln(self)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                <$t>::sqrt(self)
            }
            #[inline(always)]
            fn fma(self, a: Self, b: Self) -> Self {
                // Without the instruction `mul_add` is a slow library call.
                if cfg!(any(target_feature = "fma", target_arch = "aarch64")) {
                    self.mul_add(a, b)
                } else {
                    self * a + b
                }
            }
        }
    };
}
real!(f32, exp_f32, |x| exp_f32x8(f32x8::from(x)).to_array());
real!(f64, f64::exp, |x: [f64; LANES]| x.map(f64::exp));

/// `Σ a[i] b[i]`.
#[inline]
pub fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    let mut acc = [T::ZERO; LANES];
    let (ca, cb) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let (ra, rb) = (ca.remainder(), cb.remainder());
    for (x, y) in ca.zip(cb) {
        for l in 0..LANES {
            acc[l] = x[l].fma(y[l], acc[l]);
        }
    }
    for (i, (x, y)) in ra.iter().zip(rb).enumerate() {
        acc[i] = x.fma(*y, acc[i]);
    }
    horizontal(acc)
}

/// Sum of the lanes, pairwise.
#[inline(always)]
pub fn horizontal<T: Real>(a: [T; LANES]) -> T {
    ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]))
}

/// Largest element; negative infinity for none.
#[inline]
pub fn max<T: Real>(a: &[T]) -> T {
    let mut acc = [T::NEG_INFINITY; LANES];
    let chunks = a.chunks_exact(LANES);
    let rest = chunks.remainder();
    for x in chunks {
        for l in 0..LANES {
            acc[l] = if x[l] > acc[l] { x[l] } else { acc[l] };
        }
    }
    acc.iter().chain(rest).fold(T::NEG_INFINITY, |m, x| if *x > m { *x } else { m })
}

/// Replaces each element by `exp(scale * x - offset)` and returns the sum.
#[inline]
pub fn exp_sum<T: Real>(a: &mut [T], scale: T, offset: T) -> T {
    let mut acc = [T::ZERO; LANES];
    let mut chunks = a.chunks_exact_mut(LANES);
    for x in &mut chunks {
        let e = T::exp_lanes(std::array::from_fn(|l| x[l] * scale - offset));
        for l in 0..LANES {
            acc[l] += e[l];
        }
        x.copy_from_slice(&e);
    }
    for (i, x) in chunks.into_remainder().iter_mut().enumerate() {
        *x = (*x * scale - offset).exp();
        acc[i] += *x;
    }
    horizontal(acc)
}

/// `y += s * x`.
#[inline]
pub fn axpy<T: Real>(s: T, x: &[T], y: &mut [T]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = s.fma(*x, *y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_close_to_the_library_over_its_range() {
        let mut worst = 0.0f64;
        for i in -87_000..88_700 {
            let x = i as f32 / 1000.0;
            let want = f64::from(x).exp();
            worst = worst.max(((f64::from(exp_f32(x)) - want) / want).abs());
        }
        assert!(worst < 3e-7, "relative error {worst}");
        assert_eq!(exp_f32(0.0), 1.0);
        assert_eq!(exp_f32(-1000.0), 0.0);
        assert_eq!(exp_f32(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp_f32(1000.0), f32::INFINITY);
        assert!(exp_f32(f32::NAN).is_nan());
    }

    #[test]
    fn eight_at_once_give_the_bits_of_one() {
        let special =
            [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -87.3, -87.300_01, 88.7, 88.71, -0.0];
        let swept: Vec<f32> = (-90_000..90_000).map(|i| i as f32 / 997.0).collect();
        for eight in std::iter::once(&special[..]).chain(swept.chunks_exact(LANES)) {
            let eight: [f32; LANES] = eight.try_into().expect("eight");
            let bits = |x: [f32; LANES]| x.map(f32::to_bits);
            assert_eq!(bits(f32::exp_lanes(eight)), bits(eight.map(exp_f32)), "{eight:?}");
        }
    }

    #[test]
    fn sums_and_maxima_handle_every_remainder() {
        for n in 0..40usize {
            let a: Vec<f64> = (0..n).map(|i| i as f64 * 0.5 - 3.0).collect();
            let b: Vec<f64> = (0..n).map(|i| 1.0 - i as f64 * 0.25).collect();
            let want: f64 = a.iter().zip(&b).map(|(x, y)| x * y).sum();
            assert!((dot(&a, &b) - want).abs() < 1e-9);
            assert_eq!(max(&a), a.iter().copied().fold(f64::NEG_INFINITY, f64::max));
            let mut c = a.clone();
            let sum = exp_sum(&mut c, 2.0, 1.0);
            let want: f64 = a.iter().map(|x| (2.0 * x - 1.0).exp()).sum();
            assert!((sum - want).abs() <= 1e-12 * want.abs());
        }
    }
}
