using VmMigration.Engine.Runbooks.Expressions;

namespace VmMigration.Engine.Runbooks;

/// <summary>A value as a runbook writes it: fixed, or to be evaluated when it is needed.</summary>
/// <param name="Location">Where it begins.</param>
public abstract record RunbookValue(SourceLocation Location);

/// <summary>A fixed value, typed already.</summary>
/// <param name="Location">Where it begins.</param>
/// <param name="Value">
/// A <see cref="string"/>, <see cref="long"/>, <see cref="double"/>, <see cref="bool"/> or <see cref="TimeSpan"/>.
/// </param>
public sealed record LiteralValue(SourceLocation Location, object Value) : RunbookValue(Location);

/// <summary>One expression and nothing around it: the value keeps its type.</summary>
/// <param name="Location">Where it begins.</param>
/// <param name="Expression">What to evaluate.</param>
public sealed record ExpressionValue(SourceLocation Location, Expression Expression) : RunbookValue(Location);

/// <summary>Text with expressions in it; the value is text.</summary>
/// <param name="Location">Where it begins.</param>
/// <param name="Parts">Text as <see cref="LiteralValue"/> and expressions as <see cref="ExpressionValue"/>, in order.</param>
public sealed record InterpolatedValue(SourceLocation Location, IReadOnlyList<RunbookValue> Parts) : RunbookValue(Location);

/// <summary>A list of values.</summary>
/// <param name="Location">Where it begins.</param>
/// <param name="Items">The values.</param>
public sealed record ListValue(SourceLocation Location, IReadOnlyList<RunbookValue> Items) : RunbookValue(Location);

/// <summary>Values by name.</summary>
/// <param name="Location">Where it begins.</param>
/// <param name="Entries">Names and values, in order.</param>
public sealed record MapValue(SourceLocation Location, IReadOnlyList<KeyValuePair<string, RunbookValue>> Entries) : RunbookValue(Location);
