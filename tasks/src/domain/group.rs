//! What is made of attributes: the groups that share a paragraph, and named measures.

use super::{
    Attribute, Group, MeasureKind, NamedMeasure,
    finding::{Stop, quoted},
    limits::{MAX_GROUPS, MAX_WORDINGS},
    raw::{Raw, RawGroup, RawMeasure},
    reader::Reader,
    template::{Slot, Template},
};

impl Reader {
    pub(super) fn attr(&self, place: &str, key: &str) -> Result<u16, Stop> {
        match self.keys.iter().position(|known| known == key).and_then(|at| u16::try_from(at).ok())
        {
            Some(at) => Ok(at),
            None => {
                let known = self.keys.join(", ");
                self.text_fault(
                    place,
                    key,
                    format!("there is no attribute {}; there are {}", quoted(key), quoted(&known)),
                )
            }
        }
    }

    pub(super) fn attrs(&self, place: &str, keys: &[String]) -> Result<Vec<u16>, Stop> {
        keys.iter().map(|key| self.attr(place, key)).collect()
    }

    pub(super) fn groups(&self, raw: &Raw, attributes: &[Attribute]) -> Result<Vec<Group>, Stop> {
        self.sized("groups", raw.groups.len(), 1, MAX_GROUPS, "groups")?;
        let mut seen = vec![false; attributes.len()];
        let groups: Vec<Result<Group, Stop>> =
            raw.groups.iter().map(|group| self.group(group, attributes, &mut seen)).collect();
        let groups = groups.into_iter().collect::<Result<Vec<_>, _>>()?;
        for (at, _) in seen.iter().enumerate().filter(|(_, seen)| !**seen) {
            let key = &self.keys[at];
            let _ = self.fault::<()>(
                &format!("attributes.{key}"),
                format!("{key:?} is in no group: add it to the `attributes` of one"),
            );
        }
        Ok(groups)
    }

    fn group(
        &self,
        group: &RawGroup,
        attributes: &[Attribute],
        seen: &mut [bool],
    ) -> Result<Group, Stop> {
        let place = format!("groups.{}", group.key);
        let members = self.attrs(&format!("{place}.attributes"), &group.attributes)?;
        for member in &members {
            let at = usize::from(*member);
            let key = &self.keys[at];
            let member_place = format!("{place}.attributes");
            let fault = |message: String| {
                let _ = self.text_fault::<()>(&member_place, key, message);
            };
            if std::mem::replace(&mut seen[at], true) {
                fault(format!("{key:?} is in two groups, or twice in one"));
            }
            if !group.always && attributes[at].exact {
                fault(format!(
                    "{key:?} is computed from other attributes, so the group needs `always = true`"
                ));
            } else if !group.always && attributes[at].more.is_empty() {
                fault(format!(
                    "{key:?} has no relative wordings (`more`, `less`, …), so the group needs `always = true`"
                ));
            }
        }
        self.filled(&format!("{place}.headings"), &group.headings);
        let place = format!("{place}.wordings");
        let _ = self.sized(&place, group.wordings.len(), 1, MAX_WORDINGS, "wordings");
        let wordings = group
            .wordings
            .iter()
            .take(MAX_WORDINGS)
            .filter_map(|text| self.group_wording(&place, text, &members).ok())
            .collect();
        Ok(Group {
            always: group.always,
            headings: group.headings.clone(),
            attributes: members,
            wordings,
        })
    }

    /// A wording with the entity and every member once.
    fn group_wording(&self, place: &str, text: &str, members: &[u16]) -> Result<Template, Stop> {
        let fault = |message: String| self.text_fault(place, text, message);
        let template = match Template::parse(text, &self.keys) {
            Ok(template) => template,
            Err(message) => return fault(message),
        };
        let count = |slot: Slot| template.slots().filter(|other| *other == slot).count();
        if count(Slot::Entity) != 1 {
            return fault(format!("{} must have {{entity}} once", quoted(text)));
        }
        for member in members {
            if count(Slot::Attr(*member)) + count(Slot::Article(*member)) != 1 {
                let key = &self.keys[usize::from(*member)];
                return fault(format!("{} must have {{{key}}} once", quoted(text)));
            }
        }
        if template.slots().count() != members.len() + 1 {
            return fault(format!("{} has a slot that is no attribute of the group", quoted(text)));
        }
        Ok(template)
    }

    pub(super) fn measures(
        &self,
        raw: &Raw,
        attributes: &[Attribute],
    ) -> Result<Vec<NamedMeasure>, Stop> {
        self.sized("measures", raw.measures.len(), 0, MAX_GROUPS, "measures")?;
        let measures: Vec<Result<NamedMeasure, Stop>> =
            raw.measures.iter().map(|measure| self.made(measure, attributes)).collect();
        measures.into_iter().collect()
    }

    fn made(&self, measure: &RawMeasure, attributes: &[Attribute]) -> Result<NamedMeasure, Stop> {
        let place = format!("measures.{}", measure.phrase);
        let _ = self.one(&place, &measure.phrase, &[]);
        let kind = match (&measure.sum, &measure.diff, &measure.over, &measure.under) {
            (Some(sum), None, None, None) if sum.len() > 1 => {
                MeasureKind::Sum(self.attrs(&place, sum)?)
            }
            (None, Some([a, b]), None, None) => {
                MeasureKind::Diff(self.attr(&place, a)?, self.attr(&place, b)?)
            }
            (None, None, Some(over), Some(under)) if !over.is_empty() && !under.is_empty() => {
                MeasureKind::Ratio {
                    over: self.attrs(&place, over)?,
                    under: self.attrs(&place, under)?,
                }
            }
            _ => {
                return self.fault(
                    &place,
                    "needs either `sum` of two or more, or `diff` of two, or both `over` and `under`",
                );
            }
        };
        let members = match &kind {
            MeasureKind::Sum(attrs) => attrs.clone(),
            MeasureKind::Diff(a, b) => vec![*a, *b],
            MeasureKind::Ratio { over, under } => over.iter().chain(under).copied().collect(),
        };
        for at in members {
            if !attributes[usize::from(at)].schema.kind.is_number() {
                let key = &self.keys[usize::from(at)];
                return self.text_fault(&place, key, format!("{key:?} is no number"));
            }
        }
        Ok(NamedMeasure { phrase: measure.phrase.clone(), kind })
    }
}
