using System.Collections;
using System.Text;
using VmMigration.Engine.Runbooks.Expressions;
using VmMigration.Engine.Runbooks.Reading;

namespace VmMigration.Engine.Runbooks.Execution;

/// <summary>Evaluates the values of a runbook. What a value evaluates to is data: it is never evaluated again.</summary>
internal static class ValueEvaluator
{
    /// <exception cref="ExpressionException">Where a value cannot be had.</exception>
    public static object? Evaluate(RunbookValue value, ExpressionScope scope) => value switch
    {
        LiteralValue literal => literal.Value,
        ExpressionValue expression => ExpressionEvaluator.Evaluate(expression.Expression, scope),
        InterpolatedValue text => Interpolate(text, scope),
        ListValue list => list.Items.Select(item => Evaluate(item, scope)).ToList(),
        MapValue map => map.Entries.ToDictionary(
            entry => entry.Key, entry => Evaluate(entry.Value, scope), StringComparer.OrdinalIgnoreCase),
        _ => throw new ArgumentException($"Unknown value {value.GetType().Name}.", nameof(value)),
    };

    /// <summary>Evaluates an argument; text that an expression gave is converted as if the runbook had written it.</summary>
    public static object? Evaluate(StepArgument argument, ExpressionScope scope)
    {
        object? value = Evaluate(argument.Value, scope);
        if (value is not string text || argument.Value is LiteralValue) return value;
        if (ScalarTyping.Convert(text, isPlain: false, argument.Parameter, out object? converted) is not { } hint) return converted;
        throw new ExpressionException(argument.Value.Location, "WrongType",
            $"'{Shown.Text(text)}' does not fit '{argument.Parameter.Name}'.", hint);
    }

    /// <summary>Evaluates an <c>if</c>.</summary>
    /// <returns>null where it depends on what is unknown in a plan.</returns>
    public static bool? EvaluateCondition(RunbookValue condition, ExpressionScope scope) => Evaluate(condition, scope) switch
    {
        bool flag => flag,
        UnknownValue => null,
        var other => throw new ExpressionException(condition.Location, "NotABoolean",
            $"The condition is '{Shown.Text(ValueText.Format(other))}', neither true nor false.",
            "Compare it with something, for example != null."),
    };

    /// <summary>Evaluates a <c>forEach</c>: a list gives its items, null none, any other value itself.</summary>
    public static IReadOnlyList<object?> EvaluateItems(RunbookValue forEach, ExpressionScope scope) => Evaluate(forEach, scope) switch
    {
        null => [],
        IList list => [.. list.Cast<object?>()],
        var single => [single],
    };

    /// <summary>Evaluates a <c>throttle</c>; 1 where there is none.</summary>
    public static int EvaluateThrottle(RunbookValue? throttle, ExpressionScope scope)
    {
        if (throttle is null) return 1;
        object? value = Evaluate(throttle, scope);
        if (value is UnknownValue) return 1;
        if (value is int or long && Convert.ToInt64(value, null) is >= 1 and <= StepReader.MaxThrottle and var count) return (int)count;
        throw new ExpressionException(throttle.Location, "OutOfLimits", $"The throttle is '{Shown.Text(ValueText.Format(value))}'.",
            $"It must be a whole number from 1 to {StepReader.MaxThrottle}.");
    }

    private static object Interpolate(InterpolatedValue text, ExpressionScope scope)
    {
        var result = new StringBuilder();
        foreach (RunbookValue part in text.Parts)
        {
            object? value = Evaluate(part, scope);
            if (value is UnknownValue) return value;
            if (value is string or not IEnumerable)
            {
                result.Append(ValueText.Format(value));
                continue;
            }

            throw new ExpressionException(part.Location, "WrongType", "A list or a map cannot stand in the middle of a text.",
                "Use the expression alone as the whole value, or name one item of it.");
        }

        return result.ToString();
    }
}
