//! From a value to a place on a logarithmic axis.
#![forbid(unsafe_code)]

pub struct Scale {
    from: f64,
    to: f64,
    /// Where they are drawn.
    start: f64,
    end: f64,
}

impl Scale {
    /// `from` and `to` are above zero and differ.
    pub fn new(from: f64, to: f64, start: f64, end: f64) -> Scale {
        assert!(from > 0.0 && from < to, "an axis from {from} to {to}");
        Scale {
            from: from.ln(),
            to: to.ln(),
            start,
            end,
        }
    }

    /// What is beyond the axis is drawn at its end.
    pub fn place(&self, value: f64) -> f64 {
        let part = (value.ln() - self.from) / (self.to - self.from);
        self.start + part.clamp(0.0, 1.0) * (self.end - self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_factors_are_equal_distances() {
        let scale = Scale::new(0.01, 1.0, 0.0, 100.0);
        let places = [0.0, 0.01, 0.1, 1.0, 7.0].map(|value| scale.place(value).round());
        assert_eq!(places, [0.0, 0.0, 50.0, 100.0, 100.0]);
    }
}
