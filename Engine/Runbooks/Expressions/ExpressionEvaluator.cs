using System.Collections;

namespace VmMigration.Engine.Runbooks.Expressions;

/// <summary>Evaluates expressions. Pure, except that a property of a cmdlet's output may be computed when it is read.</summary>
internal static class ExpressionEvaluator
{
    /// <exception cref="ExpressionException">
    /// Where the value cannot be had: a missing property, or operands that cannot be compared.
    /// </exception>
    public static object? Evaluate(Expression expression, ExpressionScope scope) => expression switch
    {
        LiteralExpression literal => literal.Value,
        ReferenceExpression reference => Follow(reference, scope),
        NotExpression not => Evaluate(not.Operand, scope) is UnknownValue unknown ? unknown : !RequireBoolean(not.Operand, scope),
        BinaryExpression { Operator: BinaryOperator.And or BinaryOperator.Or } logical => EvaluateLogical(logical, scope),
        BinaryExpression comparison => ValueComparison.Compare(comparison.Operator, Evaluate(comparison.Left, scope),
            Evaluate(comparison.Right, scope), comparison.Location),
        _ => throw new ArgumentException($"Unknown expression {expression.GetType().Name}.", nameof(expression)),
    };

    private static object EvaluateLogical(BinaryExpression logical, ExpressionScope scope)
    {
        // The value that decides alone: false for 'and', true for 'or'. The right side is not evaluated after it.
        bool decisive = logical.Operator == BinaryOperator.Or;
        object left = BooleanOrUnknown(logical.Left, scope);
        if (left is bool known && known == decisive) return decisive;
        object right = BooleanOrUnknown(logical.Right, scope);
        if (right is bool second && second == decisive) return decisive;
        return left is UnknownValue || right is UnknownValue ? UnknownValue.Instance : !decisive;
    }

    private static object BooleanOrUnknown(Expression operand, ExpressionScope scope)
    {
        object? value = Evaluate(operand, scope);
        if (value is bool or UnknownValue) return value;
        throw new ExpressionException(operand.Location, "NotABoolean", $"{Describe(value)} is neither true nor false.",
            "Compare it with something, for example != null.");
    }

    private static bool RequireBoolean(Expression operand, ExpressionScope scope) => (bool)BooleanOrUnknown(operand, scope);

    private static object? Follow(ReferenceExpression reference, ExpressionScope scope)
    {
        (object? value, int used) = reference switch
        {
            { Root: "item" } when scope.HasItem => (scope.Item, 0),
            { Root: "parameters", Segments: [{ Name: { } name }, ..] }
                when scope.Parameters.TryGetValue(name, out object? given) => (given, 1),
            { Root: "steps", Segments: [{ Name: { } id }, { Name: "output" }, ..] } => (FindStep(id, scope)?.Output, 2),
            { Root: "steps", Segments: [{ Name: { } id }, { Name: "status" }, ..] } => (FindStep(id, scope)?.Status ?? "NotRun", 2),
            _ => throw new ExpressionException(reference.Location, "UnknownReference", $"'{reference.Root}' names no value here.",
                "Name parameters.<name>, steps.<id>.output, steps.<id>.status or, in a forEach, item."),
        };

        foreach (ReferenceSegment segment in reference.Segments.Skip(used))
        {
            if (value is UnknownValue) return value;
            value = segment.Name is null ? TakeItem(value, segment) : ReadProperty(value, segment, scope.Properties);
        }

        return value;
    }

    private static StepValue? FindStep(string id, ExpressionScope scope) => scope.Steps.GetValueOrDefault(id);

    private static object? TakeItem(object? value, ReferenceSegment segment)
    {
        if (value is not IList list)
        {
            throw new ExpressionException(segment.Location, "NotAList", $"{Describe(value)} is no list.", "Leave out the index.");
        }

        int index = segment.Index < 0 ? list.Count + segment.Index : segment.Index;
        if (index >= 0 && index < list.Count) return list[index];
        throw new ExpressionException(segment.Location, "IndexOutOfRange", $"There is no item {segment.Index} in a list of {list.Count}.",
            "Items count from 0; -1 is the last one.");
    }

    private static object? ReadProperty(object? value, ReferenceSegment segment, IPropertyReader properties)
    {
        string name = segment.Name!;
        if (value is null)
        {
            throw new ExpressionException(segment.Location, "NoValue", $"There is no value to read '{name}' from.",
                "The step returned nothing or did not run: guard with an 'if' such as ${{ steps.id.output != null }}.");
        }

        if (value is IReadOnlyDictionary<string, object?> map && map.TryGetValue(name, out object? entry)) return entry;
        if (value is not string && properties.TryGetProperty(value, name, out object? property)) return property;

        // As in PowerShell, a list has the properties of its items.
        if (value is IList list)
        {
            List<object?> members = [];
            foreach (object? item in list) members.Add(item is UnknownValue ? item : ReadProperty(item, segment, properties));
            return members;
        }

        throw new ExpressionException(segment.Location, "UnknownProperty", $"{Describe(value)} has no property '{name}'.",
            "Look at the cmdlet's output for the names of its properties.");
    }

    private static string Describe(object? value) => value switch
    {
        null => "null",
        string text => $"'{text}'",
        IList list => $"A list of {list.Count}",
        _ => $"'{ValueText.Format(value)}'",
    };
}
