//! What to do about a code of Gainsight's.

/// What to do about a code, as a sentence for whoever reads `weir_failed`.
pub fn hint(code: &str) -> &'static str {
    match code {
        "GSOBJ_1001" => {
            "the value is longer than the field takes; lengthen the field in Gainsight, or send less"
        }
        "GSOBJ_1002" | "GSOBJ_VCRUDR1002" => {
            "the object has no such field; make it in Gainsight (Administration, Data Management), or map the trait to \
             another one"
        }
        "GSOBJ_1004" | "GSOBJ_VDTGSID1001" => {
            "the value is no Gsid; map the trait to a field of another type"
        }
        "GSOBJ_1005" | "GSOBJ_VDTDATIME1001" => {
            "the value is no date and time; send it as 2026-01-31T12:00:00Z"
        }
        "GSOBJ_1006" => "the value is no date; send it as 2026-01-31",
        "GSOBJ_1007" | "GSOBJ_VCRUDR1001" => {
            "the field must have a value; let it be empty in Gainsight, or send one"
        }
        "GSOBJ_PEOPLE1001" => {
            "the company or relationship is gone from Gainsight; look for it there, then retry"
        }
        "GSOBJ_1011" => "Gainsight has no record that it is meant for; look for it there, then retry",
        "GSOBJ_VDTBOOL1001" => "the value is neither true nor false",
        "GSOBJ_VDTNUM1001" | "GSOBJ_VDTPERCENT1001" => "the value is no number",
        "GSOBJ_VDTNUM1002" => "the number is out of the field's range",
        "GSOBJ_VDTCURREN1001" | "GSOBJ_VDTCURREN1002" => {
            "the value is no amount; send digits without separators"
        }
        "GSOBJ_VDTEMAIL1001" => "the value is no email",
        "GSOBJ_VDTPKLST1001" | "GSOBJ_VDTPKLST1002" => {
            "the dropdown has no such item; add it in Gainsight, or send one that it has"
        }
        "GSOBJ_VDTSFDCID1001" => "an id of Salesforce has 15 or 18 letters and digits",
        "GSOBJ_VDTURL1001" => "the value is no URL",
        _ => "Gainsight refuses it; its documentation of API error codes says more",
    }
}
