//! A mistake is told with the field that it is in.

use super::*;

#[test]
#[allow(clippy::too_many_lines)] // a table, a case a line or three
fn a_value_of_the_wrong_type_is_told_with_its_field() {
    let crash = "kind = \"crash\"\nnodes = \"0\"";
    let degrade = "kind = \"degrade\"\nloss = 0.1";
    for (place, top, more) in [
        (":5: seeds", "seeds = \"3\"", String::new()),
        (":5: start_within", "start_within = 1", String::new()),
        (":7: engine.fanout", "", "[engine]\nfanout = \"many\"".into()),
        (":7: engine.probe_period", "", "[engine]\nprobe_period = 1".into()),
        (":7: network.loss", "", "[network]\nloss = \"much\"".into()),
        (":7: network.latency.uniform", "", "[network]\nlatency = { uniform = 5 }".into()),
        (":7: network.regions[1].distance", "",
            "[network]\nregions = [{ name = \"a\", distance = \"1ms\" }, { name = \"b\", distance = 1 }]".into()),
        (":6: services", "", "services = 5".into()),
        (":6: work", "", "work = 5".into()),
        (":8: work[1].rate", "",
            "[[work]]\nkind = \"deregister\"\n[[work]]\nkind = \"update\"\nrate = \"5\"".into()),
        (":6: work[0].count", "", "[[work]]\nkind = \"register\"\ncount = -1".into()),
        (":6: work[0].id", "", "[[work]]\nid = 7\nkind = \"register\"\nservice = \"a\"".into()),
        (":6: fault[0].count", "", "[[fault]]\nkind = \"join\"\ncount = \"two\"".into()),
        (":6: fault[0].at", "", format!("[[fault]]\nat = 5\n{crash}")),
        (":6: fault[0].silent", "", format!("[[fault]]\n{crash}\nsilent = \"yes\"")),
        (":6: fault[0].each", "", format!("[[fault]]\neach = 5\n{crash}")),
        (":6: fault[0].kind", "", "[[fault]]\nkind = 5\nnodes = \"0\"".into()),
        (":6: fault[0].after", "",
            "[[fault]]\nkind = \"restart\"\nnodes = \"0\"\neach = 5\nafter = 5".into()),
        (":6: fault[0].between", "", "[[fault]]\nkind = \"partition\"\nbetween = [\"0\", 5]".into()),
        (":6: fault[0].between", "", "[[fault]]\nkind = \"partition\"\nbetween = [\"0\"]".into()),
        (":6: fault[0].burst_loss.every", "",
            format!("[[fault]]\n{degrade}\nburst_loss = {{ every = 5, lasts = \"1s\" }}")),
    ] {
        let error = refused(top, &more);
        assert!(error.starts_with(&format!("a.toml{place}: invalid ")), "{error}");
    }
    let expect = text("", "").replace("\"5s\"", "5");
    let error = Scenario::parse(&expect, "a.toml").unwrap_err().to_string();
    assert!(
        error.starts_with("a.toml:8: expect.converge_within: invalid type"),
        "{error}"
    );
}

#[test]
fn a_field_that_is_missing_or_unknown_is_told_with_the_table_that_it_is_about() {
    for (more, said) in [
        (
            "[[fault]]\nkind = \"crash\"\neach = \"1s\"",
            ":6: fault[0]: missing field `nodes`",
        ),
        (
            "[[fault]]\nnodes = \"0\"",
            ":6: fault[0]: missing field `kind`",
        ),
        (
            "[[fault]]\nkind = \"crash\"\nnode = \"0\"",
            ":6: fault[0]: unknown field `node`",
        ),
        (
            "[[fault]]\nkind = \"degrade\"\nburst_loss = { every = \"1s\" }",
            ":6: fault[0].burst_loss: missing field `lasts`",
        ),
        (
            "[[fault]]\nkind = \"degrade\"\nburst_loss = { evry = \"1s\" }",
            ":6: fault[0].burst_loss: unknown field `evry`",
        ),
        ("[network]\nlos = 0.1", ":7: network: unknown field `los`"),
        (
            "[network]\nburst_loss = { every = \"1s\" }",
            ":7: network.burst_loss: missing field `lasts`",
        ),
    ] {
        let error = refused("", more);
        assert!(error.starts_with(&format!("a.toml{said}")), "{error}");
    }
}
