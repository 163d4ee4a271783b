use super::{TURNS_MAX, smooth};

fn counts(weights: &[u16]) -> Vec<u32> {
    let turns = smooth(weights);
    let of = |place| {
        let own = turns.iter().filter(|turn| **turn as usize == place);
        u32::try_from(own.count()).unwrap()
    };
    (0..weights.len()).map(of).collect()
}

#[test]
fn turns_are_mixed_as_nginx_mixes_them() {
    // The example of nginx's commit: a a b a c a a.
    assert_eq!(smooth(&[5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
}

#[test]
fn weights_are_proportions() {
    assert_eq!(smooth(&[500, 100, 100]), smooth(&[5, 1, 1]));
    assert_eq!(counts(&[30, 20, 10]), [3, 2, 1]);
    assert_eq!(counts(&[97, 100, 101]), [97, 100, 101]);
}

#[test]
fn equal_weights_need_no_order() {
    assert!(smooth(&[100; 300]).is_empty());
    assert!(smooth(&[7]).is_empty());
    assert!(smooth(&[]).is_empty());
}

#[test]
fn a_long_period_is_scaled_down_and_nobody_is_lost() {
    let weights: Vec<u16> = (0..300).map(|place| 1 + place * 211).collect();
    let counts = counts(&weights);
    let period: u32 = counts.iter().sum();
    assert!(u64::from(period) <= TURNS_MAX + 300, "{period}");
    let total: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
    let turns_max = f64::from(u32::try_from(TURNS_MAX).unwrap());
    for (weight, count) in weights.iter().zip(counts) {
        let wanted = (f64::from(*weight) / total * turns_max).max(1.0);
        assert!(
            (f64::from(count) - wanted).abs() <= 0.5,
            "{weight}: {count}, not {wanted}"
        );
    }
}

#[test]
fn a_heavy_one_is_not_called_in_one_run() {
    let turns = smooth(&[10, 10, 1]);
    let longest = turns.chunk_by(|a, b| a == b).map(<[u32]>::len).max();
    assert!(longest <= Some(2), "{turns:?}");
}
