using VmMigration.Engine.Runbooks.Expressions;

namespace VmMigration.Engine.Runbooks.Reading;

/// <summary>Checks, before anything runs, that every path in an expression leads to something.</summary>
internal sealed class ReferenceChecker(DiagnosticBag diagnostics)
{
    private static readonly string[] Roots = ["parameters", "steps", "item"];
    private static readonly string[] StepValues = ["output", "status"];

    public void Check(Expression expression, ReferenceScope scope)
    {
        switch (expression)
        {
            case NotExpression not:
                Check(not.Operand, scope);
                break;
            case BinaryExpression binary:
                Check(binary.Left, scope);
                Check(binary.Right, scope);
                break;
            case ReferenceExpression reference:
                CheckReference(reference, scope);
                break;
        }
    }

    private void CheckReference(ReferenceExpression reference, ReferenceScope scope)
    {
        switch (reference.Root)
        {
            case "parameters":
                CheckParameter(reference, scope);
                break;
            case "steps":
                CheckStep(reference, scope);
                break;
            case "item" when !scope.HasItem:
                diagnostics.Add(reference.Location, "UnknownReference", "'item' is only known in a step with forEach.",
                    "Add a forEach to the step, or name what you mean: parameters.<name> or steps.<id>.output.");
                break;
            case "item":
                break;
            default:
                diagnostics.Add(reference.Location, "UnknownReference", $"'{reference.Root}' is no value.",
                    NearestName.Hint(reference.Root, Roots) + " Put text in single quotes.");
                break;
        }
    }

    private void CheckParameter(ReferenceExpression reference, ReferenceScope scope)
    {
        if (reference.Segments is not [{ Name: { } name } first, ..])
        {
            diagnostics.Add(reference.Location, "UnknownReference", "'parameters' alone is no value.", "Write parameters.<name>.");
        }
        else if (!scope.Parameters.Contains(name, StringComparer.OrdinalIgnoreCase))
        {
            diagnostics.Add(first.Location, "UnknownParameter", $"The runbook declares no parameter '{name}'.",
                scope.Parameters.Count == 0 ? "Declare it under 'parameters'." : NearestName.Hint(name, scope.Parameters));
        }
        else if (reference.Segments.Count > 1)
        {
            diagnostics.Add(reference.Segments[1].Location, "UnknownProperty",
                $"The parameter '{name}' is a simple value without properties.", $"Write parameters.{name}.");
        }
    }

    private void CheckStep(ReferenceExpression reference, ReferenceScope scope)
    {
        if (reference.Segments is not [{ Name: { } id } first, ..])
        {
            diagnostics.Add(reference.Location, "UnknownReference", "'steps' alone is no value.", "Write steps.<id>.output.");
            return;
        }

        if (!scope.Steps.Contains(id, StringComparer.OrdinalIgnoreCase))
        {
            bool later = scope.LaterSteps.Contains(id, StringComparer.OrdinalIgnoreCase);
            diagnostics.Add(first.Location, "UnknownStep",
                later ? $"The step '{id}' has not run yet at this place." : $"There is no step '{id}'.",
                later ? "Refer to an earlier step, or move this one after it."
                    : scope.Steps.Count == 0 ? "No step runs before this place." : NearestName.Hint(id, scope.Steps));
            return;
        }

        if (reference.Segments.Count < 2 || reference.Segments[1].Name is not { } value)
        {
            diagnostics.Add(reference.Location, "UnknownReference", $"'steps.{id}' alone is no value.",
                $"Write steps.{id}.output or steps.{id}.status.");
        }
        else if (!StepValues.Contains(value))
        {
            diagnostics.Add(reference.Segments[1].Location, "UnknownReference", $"A step has no '{value}'.",
                $"Write steps.{id}.output, steps.{id}.output.<property> or steps.{id}.status.");
        }
    }
}
